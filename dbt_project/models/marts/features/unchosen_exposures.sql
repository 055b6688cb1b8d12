{{ config(materialized='view') }}

with

impressions as (

    select * from {{ ref('stg_events__impression') }}

),

explored_messages as (

    select * from {{ ref('stg_events__message_planned') }}
    where slice = 'explore'
    and channel = 'sms'
    qualify row_number() over (partition by message_id order by observed_at, event_id) = 1

),

delivered_messages as (

    select * from {{ ref('stg_events__message_status') }}
    where status = 'delivered'
    and message_id in (select message_id from explored_messages)
    qualify row_number() over (partition by message_id order by observed_at, event_id) = 1

),

impression_exposures as (

    select
        event_id as exposure_id,
        user_id,
        job_id,
        'organic' as slice,
        occurred_at,
        observed_at

    from impressions

),

message_exposures as (

    select
        explored_messages.message_id as exposure_id,
        explored_messages.user_id,
        explored_messages.job_id,
        explored_messages.slice,
        delivered_messages.occurred_at,
        greatest(explored_messages.observed_at, delivered_messages.observed_at) as observed_at

    from delivered_messages
    inner join explored_messages on delivered_messages.message_id = explored_messages.message_id

),

collected as (

    select * from impression_exposures
    union all
    select * from message_exposures

),

final as (

    select
        ---------- ids
        exposure_id,
        user_id,
        job_id,

        ---------- text
        slice,

        ---------- dates
        cast(occurred_at as date) as exposure_date,

        ---------- timestamps
        observed_at

    from collected

)

select * from final
