-- How many people end texts, per thousand texts, by week?
--
-- week_start_date          Monday of the week (UTC)
-- texts_delivered          delivered texts that were planned in the week
-- opt_outs                 people who replied STOP, counted once a day
-- opt_outs_per_thousand    opt_outs per 1,000 delivered texts; null without any

select
    cast(date_trunc('week', kpi_date) as date) as week_start_date,
    cast(sum(messages_delivered) as bigint) as texts_delivered,
    cast(sum(opt_outs) as bigint) as opt_outs,
    cast(1000 * sum(opt_outs) as double) / nullif(sum(messages_delivered), 0) as opt_outs_per_thousand

from marts.kpi_daily
group by cast(date_trunc('week', kpi_date) as date)
order by cast(date_trunc('week', kpi_date) as date)
