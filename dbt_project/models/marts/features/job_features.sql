{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_as_of_range('as_of_date') }}"
) }}

with

jobs as (

    select * from {{ ref('int_jobs_listed') }}

),

activities as (

    select * from {{ ref('int_job_activities_windowed') }}

),

hires as (

    select * from {{ ref('stg_events__hire') }}

),

hired as (

    select jobs.as_of_date, jobs.job_id, count(*) as hires
    from jobs
    inner join hires
        on jobs.job_id = hires.job_id
        and hires.available_date <= jobs.as_of_date
    group by jobs.as_of_date, jobs.job_id

),

final as (

    select
        ---------- keys
        jobs.as_of_date,
        jobs.job_id,

        ---------- ids
        jobs.employer_id,

        ---------- text
        jobs.employer_name,
        jobs.title,
        jobs.metro_code as job_metro_code,
        jobs.occupation_group as job_occupation_group,
        jobs.shift as job_shift,

        ---------- numbers
        jobs.latitude as job_latitude,
        jobs.longitude as job_longitude,
        jobs.seniority as job_seniority,
        jobs.pay_usd_per_hour,
        jobs.bid_usd_per_apply,
        greatest(jobs.openings - coalesce(hired.hires, 0), 1) as openings,
        {% for k in range(1, 9) -%}
            jobs.text_embedding[{{ k }}] as text_{{ k }},
        {% endfor %}
        ---------- counts
        cast(coalesce(activities.job_impressions_7d, 0) as bigint) as job_impressions_7d,
        cast(coalesce(activities.job_clicks_7d, 0) as bigint) as job_clicks_7d,
        cast(coalesce(activities.job_applies_7d, 0) as bigint) as job_applies_7d,
        cast(coalesce(activities.job_messages_7d, 0) as bigint) as job_messages_7d,
        date_diff('day', cast(jobs.occurred_at as date), jobs.as_of_date) as job_age_days,

        ---------- timestamps
        jobs.occurred_at as posted_at,
        jobs.expires_at

    from jobs
    left join hired
        on jobs.job_id = hired.job_id
        and jobs.as_of_date = hired.as_of_date
    left join activities
        on jobs.job_id = activities.job_id
        and jobs.as_of_date = activities.as_of_date

)

select * from final
