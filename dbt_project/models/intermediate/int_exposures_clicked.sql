with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

clicks as (

    select * from {{ ref('stg_events__click') }}

),

-- Exposures whose click labels become mature in the range, known by then; later ones never get a label.
maturing as (

    select
        exposures.*,
        as_of_dates.as_of_date as label_mature_date

    from {{ ref('int_exposures_collected') }} as exposures
    inner join as_of_dates
        on exposures.exposure_date = as_of_dates.as_of_date - {{ var('click_window_days') + 1 }}
    where exposures.available_date <= as_of_dates.as_of_date

),

clicked as (

    select distinct maturing.exposure_id
    from maturing
    inner join clicks on maturing.exposure_id = clicks.exposure_id
    where clicks.available_date <= maturing.label_mature_date
    and clicks.occurred_at <= maturing.occurred_at + interval {{ var('click_window_days') }} day

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

        ---------- booleans
        clicked.exposure_id is not null as is_clicked,

        ---------- dates
        maturing.exposure_date,
        maturing.label_mature_date

    from maturing
    left join clicked on maturing.exposure_id = clicked.exposure_id

)

select * from labelled
