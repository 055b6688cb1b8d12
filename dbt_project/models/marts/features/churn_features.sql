{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_as_of_range('as_of_date') }}"
) }}

with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

visits as (

    select * from {{ ref('int_visits_windowed') }}

),

users as (

    select user_features.*
    from {{ ref('user_features') }} as user_features
    inner join as_of_dates on user_features.as_of_date = as_of_dates.as_of_date

),

jobs as (

    select
        job_features.as_of_date,
        job_features.job_metro_code,
        job_features.job_occupation_group,
        count(*) as jobs_nearby

    from {{ ref('job_features') }} as job_features
    inner join as_of_dates on job_features.as_of_date = as_of_dates.as_of_date
    group by job_features.as_of_date, job_features.job_metro_code, job_features.job_occupation_group

),

final as (

    select
        ---------- keys
        users.as_of_date,
        users.user_id,

        ---------- text
        users.user_occupation_group,
        users.user_shift,

        ---------- counts
        visits.days_since_last_seen,
        visits.days_since_first_seen_28d,
        visits.days_since_last_apply,
        visits.active_days_7d,
        visits.active_days_28d,
        users.user_impressions_7d,
        visits.user_impressions_28d,
        users.user_clicks_7d,
        users.user_clicks_28d,
        users.user_applies_28d,
        users.user_messages_28d,
        users.tenure_days,
        coalesce(jobs.jobs_nearby, 0) as jobs_nearby,

        ---------- numbers
        cast(visits.weekend_active_days_28d as double) / visits.active_days_28d as weekend_share_28d,

        ---------- booleans
        users.is_consented

    from visits
    inner join users
        on visits.user_id = users.user_id
        and visits.as_of_date = users.as_of_date
    left join jobs
        on users.metro_code = jobs.job_metro_code
        and users.user_occupation_group = jobs.job_occupation_group
        and users.as_of_date = jobs.as_of_date

)

select * from final
