{{ labelled_exposures(
    labels=[
        ('is_clicked', 'stg_events__click', var('click_window_days')),
        ('is_applied_early', 'stg_events__apply', var('click_window_days')),
    ],
    early=['is_applied_early']
) }}
