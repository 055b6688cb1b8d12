{{ labelled_exposures(labels=[('is_clicked', 'stg_events__click', var('click_window_days'))]) }}
