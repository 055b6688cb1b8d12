-- What do messages earn, by day and application?
--
-- kpi_date                    day of the plan; its figures grow while applications arrive
-- application                 which application planned the messages
-- channel                     sms or email
-- messages_delivered          delivered messages
-- messages_applied            planned messages with an application
-- revenue_usd                 bids of the applications that they caused, in US dollars
-- revenue_usd_per_delivered   dollars per delivered message; null without any
-- revenue_usd_to_date         dollars of the application since its first day

select
    kpi_date,
    application,
    channel,
    messages_delivered,
    messages_applied,
    revenue_usd,
    revenue_usd / nullif(messages_delivered, 0) as revenue_usd_per_delivered,
    cast(
        sum(cast(revenue_usd as decimal(18, 6))) over (
            partition by application
            order by kpi_date
            rows between unbounded preceding and current row
        ) as double
    ) as revenue_usd_to_date

from marts.application_daily
order by kpi_date, application
