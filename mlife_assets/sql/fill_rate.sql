-- How many of the openings that employers posted are filled, by day?
--
-- kpi_date             the day (UTC)
-- openings_posted      openings posted on the day
-- openings_filled      hires on the day, whatever caused them
-- fill_rate_28d        filled of posted in the 28 days up to the day; above 1 where more old openings were filled
-- fill_rate            filled of posted since the first day, 0 to 1

select
    kpi_date,
    openings_posted,
    openings_filled,
    cast(sum(openings_filled) over (order by kpi_date rows between 27 preceding and current row) as double)
    / nullif(sum(openings_posted) over (order by kpi_date rows between 27 preceding and current row), 0)
        as fill_rate_28d,
    fill_rate

from marts.kpi_daily
order by kpi_date
