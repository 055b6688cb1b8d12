with

messages as (

    select * from {{ ref('fct_messages') }}

),

final as (

    select
        ---------- keys
        campaign as application,
        as_of_date as kpi_date,

        ---------- text
        min(channel) as channel,

        ---------- counts
        count(*) as messages_planned,
        count(*) filter (where is_submitted) as messages_submitted,
        count(*) filter (where is_delivered) as messages_delivered,
        count(*) filter (where is_clicked) as messages_clicked,
        count(*) filter (where is_applied) as messages_applied,
        count(*) filter (where is_hired) as messages_hired,

        ---------- money
        {{ exact_sum('revenue_usd') }} as revenue_usd

    from messages
    group by campaign, as_of_date

)

select * from final
