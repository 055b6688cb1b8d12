with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

clicks as (

    select * from {{ ref('stg_events__click') }}

),

applies as (

    select * from {{ ref('stg_events__apply') }}

),

-- Exposures whose labels become mature in the range. One that became known only later never gets a label: adding it
-- afterwards would change what was trained on.
maturing as (

    select
        exposures.*,
        as_of_dates.as_of_date as label_mature_date

    from {{ ref('int_exposures_collected') }} as exposures
    inner join as_of_dates
        on exposures.exposure_date = as_of_dates.as_of_date - {{ var('apply_window_days') + 1 }}
    where exposures.available_date <= as_of_dates.as_of_date

),

clicked as (

    select distinct maturing.exposure_id
    from maturing
    inner join clicks on maturing.exposure_id = clicks.exposure_id
    where clicks.available_date <= maturing.label_mature_date
    and clicks.occurred_at <= maturing.occurred_at + interval {{ var('click_window_days') }} day

),

applied as (

    select distinct maturing.exposure_id
    from maturing
    inner join applies on maturing.exposure_id = applies.exposure_id
    where applies.available_date <= maturing.label_mature_date
    and applies.occurred_at <= maturing.occurred_at + interval {{ var('apply_window_days') }} day

),

labelled as (

    select
        ---------- ids
        maturing.exposure_id,
        maturing.user_id,
        maturing.job_id,

        ---------- text
        maturing.exposure_kind,
        maturing.slice,

        ---------- numbers
        maturing.impression_position,

        ---------- booleans
        clicked.exposure_id is not null as is_clicked,
        applied.exposure_id is not null as is_applied,

        ---------- dates
        maturing.exposure_date,
        maturing.label_mature_date,

        ---------- timestamps
        maturing.occurred_at

    from maturing
    left join clicked on maturing.exposure_id = clicked.exposure_id
    left join applied on maturing.exposure_id = applied.exposure_id

)

select * from labelled
