with

clicks as (

    select * from {{ ref('stg_events__click') }}

),

applies as (

    select * from {{ ref('stg_events__apply') }}

),

hires as (

    select * from {{ ref('stg_events__hire') }}

),

messages as (

    select distinct message_id from {{ ref('stg_events__message_planned') }}

),

bids as (

    select job_id, max_by(bid_usd_per_apply, row(observed_at, event_id)) as bid_usd_per_apply
    from {{ ref('stg_events__job_posted') }}
    group by job_id

),

conversions as (

    select event_id, user_id, job_id, exposure_id, source, occurred_at, observed_at, 'click' as conversion_kind
    from clicks
    union all
    select event_id, user_id, job_id, exposure_id, source, occurred_at, observed_at, 'apply' as conversion_kind
    from applies
    union all
    select event_id, user_id, job_id, exposure_id, source, occurred_at, observed_at, 'hire' as conversion_kind
    from hires

),

attributed as (

    select *, case when source = 'message' then exposure_id end as causing_message_id
    from conversions

),

final as (

    select
        ---------- ids
        attributed.event_id as conversion_event_id,
        attributed.user_id,
        attributed.job_id,
        attributed.exposure_id,
        messages.message_id,

        ---------- text
        attributed.conversion_kind,
        attributed.source,

        ---------- numbers
        case
            when attributed.conversion_kind = 'apply' and messages.message_id is not null
                then coalesce(bids.bid_usd_per_apply, 0)
            else 0
        end as revenue_usd,

        ---------- dates
        cast(attributed.occurred_at as date) as conversion_date,

        ---------- timestamps
        attributed.occurred_at,
        attributed.observed_at

    from attributed
    left join messages
        on attributed.causing_message_id = messages.message_id
    left join bids on attributed.job_id = bids.job_id

)

select * from final
