{{ config(materialized='table') }}

with

applies as (

    select * from {{ ref('stg_events__apply') }}

),

planned_messages as (

    select * from {{ ref('stg_events__message_planned') }}
    where message_id in (select exposure_id from applies)
    qualify row_number() over (partition by message_id order by observed_at, event_id) = 1

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
