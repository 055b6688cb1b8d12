with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

impressions as (

    select * from {{ ref('stg_events__impression') }}

),

planned_messages as (

    select * from {{ ref('stg_events__message_planned') }}
    qualify row_number() over (partition by message_id order by observed_at, event_id) = 1

),

delivered_messages as (

    select * from {{ ref('stg_events__message_status') }}
    where status = 'delivered'
    qualify row_number() over (partition by message_id order by observed_at, event_id) = 1

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
    where {{ available_date('observed_at') }} > (select min(as_of_date) - {{ lookback_days() }} from as_of_dates)
    and {{ available_date('observed_at') }} <= (select max(as_of_date) from as_of_dates)

)

select * from dated
