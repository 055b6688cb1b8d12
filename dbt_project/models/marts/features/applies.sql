{{ config(materialized='table') }}

with

applies as (

    select * from {{ ref('stg_events__apply') }}

),

planned_messages as (

    {{ first_of_each(
        ref('stg_events__message_planned'), 'message_id', where='message_id in (select exposure_id from applies)'
    ) }}

),

final as (

    select
        ---------- ids
        applies.event_id as apply_event_id,
        applies.user_id,
        applies.job_id,
        applies.exposure_id,

        ---------- text
        applies.source,
        case when applies.source = 'organic' then 'organic' else planned_messages.slice end as slice,

        ---------- dates
        cast(applies.occurred_at as date) as apply_date,

        ---------- timestamps
        applies.occurred_at,
        applies.observed_at

    from applies
    left join planned_messages on applies.exposure_id = planned_messages.message_id

)

select * from final
