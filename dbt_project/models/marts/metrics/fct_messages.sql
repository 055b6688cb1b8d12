{{ config(materialized='kept' if target.type == 'duckdb' else 'table') }}
{%- set of_changed = of_changed_messages() %}

with

planned as (

    {{ first_of_each(ref('stg_events__message_planned'), 'message_id', where=of_changed) }}

),

submissions as (

    select
        message_id,
        count(*) as attempts,
        min(occurred_at) as submitted_at

    from {{ ref('stg_events__message_submitted') }}
    where {{ of_changed }}
    group by message_id

),

-- The strongest fact known about a message, whatever the order in which facts arrived.
statuses as (

    select
        message_id,
        max_by(
            status,
            array_position(
                array['throttled', 'ambiguous', 'accepted', 'unknown', 'rejected', 'undelivered', 'delivered'], status
            )
        ) as status,
        min(occurred_at) filter (where status = 'delivered') as delivered_at

    from {{ ref('stg_events__message_status') }}
    where {{ of_changed }}
    group by message_id

),

suppressions as (

    select message_id, min_by(reason, row(observed_at, event_id)) as suppression_reason
    from {{ ref('stg_events__message_suppressed') }}
    where {{ of_changed }}
    group by message_id

),

conversions as (

    {{ conversions_of_messages() }}

),

final as (

    select
        ---------- ids
        planned.message_id,
        planned.user_id,
        planned.person_id,
        planned.job_id,
        planned.plan_id,
        planned.prediction_id,

        ---------- text
        planned.campaign,
        planned.channel,
        planned.slice,
        planned.cohort,
        case
            when statuses.status is not null then statuses.status
            when submissions.message_id is not null then 'submitted'
            when suppressions.message_id is not null then 'suppressed'
            else 'planned'
        end as status,
        suppressions.suppression_reason,

        ---------- numbers
        planned.propensity,
        planned.segments,
        coalesce(submissions.attempts, 0) as attempts,
        coalesce(conversions.revenue_usd, 0) as revenue_usd,

        ---------- booleans
        submissions.message_id is not null as is_submitted,
        coalesce(statuses.status = 'delivered', false) as is_delivered,
        conversions.first_clicked_at is not null as is_clicked,
        conversions.first_applied_at is not null as is_applied,
        coalesce(
            conversions.first_hired_at <= planned.occurred_at + interval '{{ var('hire_window_days') }}' day, false
        ) as is_hired,

        ---------- dates
        planned.as_of_date,

        ---------- timestamps
        planned.occurred_at as planned_at,
        submissions.submitted_at,
        statuses.delivered_at,
        conversions.first_clicked_at,
        conversions.first_applied_at,
        conversions.first_hired_at

    from planned
    left join submissions on planned.message_id = submissions.message_id
    left join statuses on planned.message_id = statuses.message_id
    left join suppressions on planned.message_id = suppressions.message_id
    left join conversions on planned.message_id = conversions.message_id

)

select * from final
