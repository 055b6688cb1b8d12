with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

bounds as (

    select min(as_of_date) as start_date, max(as_of_date) as end_date
    from as_of_dates

),

-- The last snapshot known at the first date of the range, and those that replace it on later dates.
latest_of_date as (

    select
        max_by(snapshots.event_id, row(snapshots.observed_at, snapshots.event_id)) as event_id,
        max(snapshots.observed_at) as observed_at,
        greatest(snapshots.available_date, bounds.start_date) as version_date

    from {{ ref('stg_events__user_snapshot') }} as snapshots
    cross join bounds
    where snapshots.available_date <= bounds.end_date
    group by snapshots.user_id, greatest(snapshots.available_date, bounds.start_date)

),

versioned as (

    select
        snapshots.*,
        latest_of_date.version_date

    from {{ ref('stg_events__user_snapshot') }} as snapshots
    inner join latest_of_date
        on snapshots.event_id = latest_of_date.event_id
        and snapshots.observed_at = latest_of_date.observed_at

)

select * from versioned
