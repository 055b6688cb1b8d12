with

messages as (

    select
        as_of_date as kpi_date,
        count(*) as messages_planned,
        count(*) filter (where is_submitted) as messages_submitted,
        count(*) filter (where is_delivered) as messages_delivered,
        count(*) filter (where status = 'undelivered') as messages_undelivered,
        count(*) filter (where status in ('ambiguous', 'unknown')) as messages_ambiguous,
        count(*) filter (where is_clicked) as clicks,
        count(*) filter (where is_applied) as applies,
        count(*) filter (where is_hired) as hires,
        {{ exact_sum('revenue_usd') }} as revenue_usd

    from {{ ref('fct_messages') }}
    where channel = 'sms'
    group by as_of_date

),

suppressions as (

    select as_of_date as kpi_date, count(distinct message_id) as messages_suppressed
    from {{ ref('stg_events__message_suppressed') }}
    where channel = 'sms'
    group by as_of_date

),

any_cause as (

    select
        conversion_date as kpi_date,
        count(*) filter (where conversion_kind = 'apply') as applies_any_cause,
        count(*) filter (where conversion_kind = 'hire') as openings_filled

    from {{ ref('fct_conversions') }}
    group by conversion_date

),

opt_outs as (

    select cast(occurred_at as date) as kpi_date, count(distinct user_id) as opt_outs
    from {{ ref('stg_events__consent') }}
    where source = 'inbound_stop' and channel = 'sms' and not is_granted
    group by cast(occurred_at as date)

),

openings as (

    select cast(occurred_at as date) as kpi_date, sum(openings) as openings_posted
    from {{ ref('stg_events__job_posted') }}
    group by cast(occurred_at as date)

),

dated as (

    select kpi_date from messages
    union
    select kpi_date from suppressions
    union
    select kpi_date from any_cause
    union
    select kpi_date from opt_outs
    union
    select kpi_date from openings

),

days as (

    {{ every_date('dated', 'min(kpi_date)', 'max(kpi_date)', 'kpi_date') }}

),

counted as (

    select
        days.kpi_date,
        coalesce(messages.messages_planned, 0) as messages_planned,
        coalesce(messages.messages_submitted, 0) as messages_submitted,
        coalesce(messages.messages_delivered, 0) as messages_delivered,
        coalesce(messages.messages_undelivered, 0) as messages_undelivered,
        coalesce(messages.messages_ambiguous, 0) as messages_ambiguous,
        coalesce(suppressions.messages_suppressed, 0) as messages_suppressed,
        coalesce(messages.clicks, 0) as clicks,
        coalesce(messages.applies, 0) as applies,
        coalesce(messages.hires, 0) as hires,
        coalesce(any_cause.applies_any_cause, 0) as applies_any_cause,
        coalesce(messages.revenue_usd, 0) as revenue_usd,
        coalesce(opt_outs.opt_outs, 0) as opt_outs,
        cast(coalesce(openings.openings_posted, 0) as bigint) as openings_posted,
        coalesce(any_cause.openings_filled, 0) as openings_filled

    from days
    left join messages on days.kpi_date = messages.kpi_date
    left join suppressions on days.kpi_date = suppressions.kpi_date
    left join any_cause on days.kpi_date = any_cause.kpi_date
    left join opt_outs on days.kpi_date = opt_outs.kpi_date
    left join openings on days.kpi_date = openings.kpi_date

),

final as (

    select
        ---------- keys
        kpi_date,

        ---------- counts
        messages_planned,
        messages_submitted,
        messages_delivered,
        messages_undelivered,
        messages_ambiguous,
        messages_suppressed,
        clicks,
        applies,
        hires,
        applies_any_cause,
        opt_outs,
        openings_posted,
        openings_filled,

        ---------- money
        revenue_usd,

        ---------- rates
        cast(messages_delivered as double) / nullif(messages_submitted, 0) as delivered_share,
        cast(clicks as double) / nullif(messages_delivered, 0) as ctr,
        cast(applies as double) / nullif(messages_delivered, 0) as apply_rate,
        cast(sum(openings_filled) over (order by kpi_date) as double)
        / nullif(sum(openings_posted) over (order by kpi_date), 0) as fill_rate

    from counted

)

select * from final
