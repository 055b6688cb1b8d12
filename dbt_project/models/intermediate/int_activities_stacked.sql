with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

exposures as (

    select * from {{ ref('exposures') }}
    where {{ known_in_lookback('available_date') }}

),

clicks as (

    select * from {{ ref('stg_events__click') }}

),

applies as (

    select * from {{ ref('stg_events__apply') }}

),

stacked as (

    select user_id, job_id, exposure_date as activity_date, available_date, exposure_kind as activity_kind
    from exposures
    union all
    select user_id, job_id, cast(occurred_at as date) as activity_date, available_date, 'click' as activity_kind
    from clicks
    union all
    select user_id, job_id, cast(occurred_at as date) as activity_date, available_date, 'apply' as activity_kind
    from applies

)

select * from stacked
