{%- set sums = [
    'users', 'applies', 'applies_squared', 'applies_times_clicks', 'clicks_before', 'clicks_before_squared',
    'applies_before', 'applies_before_squared', 'applies_before_times_clicks', 'bids_usd', 'bids_usd_squared',
    'bids_usd_times_clicks'
] -%}

with

exposed as (

    select * from {{ ref('stg_events__experiment_exposed') }}

),

applies as (

    select * from {{ ref('applies') }}

),

-- What people did of themselves: messages of others may have gone to one arm alone.
acts as (

    select user_id, occurred_at, 1 as is_click from {{ ref('stg_events__click') }} where source = 'organic'
    union all
    select user_id, occurred_at, 0 as is_click from applies where source = 'organic'

),

-- Intention to treat: a user belongs to the arm of the first exposure and counts from that moment on.
people as (

    select
        experiment,
        user_id,
        min_by(arm, row(occurred_at, event_id)) as arm,
        min(occurred_at) as eligible_at,
        min(as_of_date) as first_date

    from exposed
    group by experiment, user_id

),

bids as (

    select job_id, max_by(bid_usd_per_apply, row(observed_at, event_id)) as bid_usd_per_apply
    from {{ ref('stg_events__job_posted') }}
    group by job_id

),

-- What people did in the 28 days before.
known as (

    select
        people.experiment,
        people.user_id,
        people.arm,
        people.eligible_at,
        people.first_date,
        coalesce(sum(acts.is_click), 0) as clicks_before,
        coalesce(sum(1 - acts.is_click), 0) as applies_before

    from people
    left join acts
        on
            people.user_id = acts.user_id
            and acts.occurred_at < people.eligible_at
            and cast(acts.occurred_at as date) >= {{ days_after('people.first_date', -28) }}
    group by people.experiment, people.user_id, people.arm, people.eligible_at, people.first_date

),

numbered as (

    select
        known.experiment,
        known.arm,
        known.clicks_before,
        applies.apply_date as lift_date,
        cast(coalesce(bids.bid_usd_per_apply, 0) as decimal(18, 6)) as bid_usd,
        row_number() over (
            partition by known.experiment, known.user_id order by applies.occurred_at, applies.apply_event_id
        ) as applies_so_far,
        sum(cast(coalesce(bids.bid_usd_per_apply, 0) as decimal(18, 6))) over (
            partition by known.experiment, known.user_id
            order by applies.occurred_at, applies.apply_event_id
            rows between unbounded preceding and current row
        ) as bids_so_far

    from known
    inner join applies on known.user_id = applies.user_id and known.eligible_at <= applies.occurred_at
    left join bids on applies.job_id = bids.job_id

),

-- By how much each first exposure and each apply raises the sums of an arm: a square by 2n - 1.
added as (

    select
        experiment,
        arm,
        first_date as lift_date,
        1 as users,
        0 as applies,
        0 as applies_squared,
        0 as applies_times_clicks,
        clicks_before,
        clicks_before * clicks_before as clicks_before_squared,
        applies_before,
        applies_before * applies_before as applies_before_squared,
        applies_before * clicks_before as applies_before_times_clicks,
        cast(0 as decimal(18, 6)) as bids_usd,
        cast(0 as decimal(18, 6)) as bids_usd_squared,
        cast(0 as decimal(18, 6)) as bids_usd_times_clicks

    from known
    union all
    select
        experiment,
        arm,
        lift_date,
        0 as users,
        1 as applies,
        2 * applies_so_far - 1 as applies_squared,
        clicks_before as applies_times_clicks,
        0 as clicks_before,
        0 as clicks_before_squared,
        0 as applies_before,
        0 as applies_before_squared,
        0 as applies_before_times_clicks,
        bid_usd as bids_usd,
        cast(bid_usd * (2 * cast(bids_so_far as decimal(18, 6)) - bid_usd) as decimal(18, 6)) as bids_usd_squared,
        cast(bid_usd * cast(clicks_before as integer) as decimal(18, 6)) as bids_usd_times_clicks

    from numbered

),

bounds as (

    select min(as_of_date) as first_date, max(as_of_date) as last_date from exposed

),

dates as (

    {{ every_date('bounds', 'first_date', 'last_date', 'lift_date') }}

),

begun as (

    select experiment, min(first_date) as first_date from people group by experiment

),

arms as (

    select distinct arm from people

),

spined as (

    select begun.experiment, arms.arm, dates.lift_date
    from begun
    cross join arms
    inner join dates on begun.first_date <= dates.lift_date

),

last_known as (

    select max(cast(observed_at as date)) as last_observed_date from applies

),

daily as (

    select
        spined.experiment,
        spined.arm,
        spined.lift_date,
        {% for name in sums -%}
            sum(coalesce(added.{{ name }}, 0)) as {{ name }}{{ ",\n        " if not loop.last }}
        {%- endfor %}

    from spined
    left join added
        on
            spined.experiment = added.experiment
            and spined.arm = added.arm
            and spined.lift_date = added.lift_date
    group by spined.experiment, spined.arm, spined.lift_date

),

final as (

    select
        ---------- keys
        daily.experiment,
        daily.lift_date,
        daily.arm,

        ---------- sums over users from the first day on
        {% for name in sums -%}
            cast(sum(daily.{{ name }}) over (
                partition by daily.experiment, daily.arm order by daily.lift_date
                rows between unbounded preceding and current row
            ) as {{ 'double' if name.startswith('bids') else 'bigint' }}) as {{ name }},
        {% endfor %}
        ---------- booleans
        coalesce(last_known.last_observed_date >= daily.lift_date, false) as is_closed

    from daily
    cross join last_known

)

select * from final
