{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_lookback('available_date') }}"
) }}

with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

impressions as (

    select * from {{ ref('stg_events__impression') }}
    where {{ known_in_kept_lookback('available_date') }}

),

-- The later of plan and delivery decides when a message is known, so one of the two is in the range.
messages_of_range as (

    select message_id from {{ ref('stg_events__message_planned') }}
    where {{ known_in_kept_lookback('available_date') }}
    union
    select message_id from {{ ref('stg_events__message_status') }}
    where {{ known_in_kept_lookback('available_date') }}

),

planned_messages as (

    {{ first_of_each(
        ref('stg_events__message_planned'),
        'message_id',
        where='message_id in (select message_id from messages_of_range)'
    ) }}

),

delivered_messages as (

    {{ first_of_each(
        ref('stg_events__message_status'),
        'message_id',
        where="status = 'delivered' and message_id in (select message_id from messages_of_range)"
    ) }}

),

impression_exposures as (

    select
        event_id as exposure_id,
        user_id,
        job_id,
        'impression' as exposure_kind,
        'organic' as slice,
        position as impression_position,
        occurred_at,
        observed_at

    from impressions

),

-- Texts alone: one is about one job. Whom a mail showed which of its jobs is not known.
message_exposures as (

    select
        planned_messages.message_id as exposure_id,
        planned_messages.user_id,
        planned_messages.job_id,
        'message' as exposure_kind,
        planned_messages.slice,
        1 as impression_position,
        delivered_messages.occurred_at,
        greatest(planned_messages.observed_at, delivered_messages.observed_at) as observed_at

    from delivered_messages
    inner join planned_messages on delivered_messages.message_id = planned_messages.message_id
    where planned_messages.channel = 'sms'

),

collected as (

    select * from impression_exposures
    union all
    select * from message_exposures

),

dated as (

    select
        ---------- ids
        exposure_id,
        user_id,
        job_id,

        ---------- text
        exposure_kind,
        slice,

        ---------- numbers
        impression_position,

        ---------- dates
        cast(occurred_at as date) as exposure_date,
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from collected
    where {{ known_in_kept_lookback(available_date('observed_at')) }}

)

select * from dated
