-- How far does what people are shown lead, by day?
--
-- exposure_date    day on which a job was shown or a text was delivered (UTC)
-- exposure_kind    impression (on the site) or message (a delivered text)
-- exposures        jobs shown, or texts delivered
-- clicked          of these, with a click, whenever it came
-- applied          of these, with an application
-- click_rate       clicked of exposures, 0 to 1
-- apply_rate       applied of exposures, 0 to 1

with

caused as (

    select
        exposure_id,
        max(case when conversion_kind = 'click' then 1 else 0 end) as clicked,
        max(case when conversion_kind = 'apply' then 1 else 0 end) as applied

    from marts.fct_conversions
    group by exposure_id

)

select
    exposures.exposure_date,
    exposures.exposure_kind,
    count(*) as exposures,
    cast(sum(coalesce(caused.clicked, 0)) as bigint) as clicked,
    cast(sum(coalesce(caused.applied, 0)) as bigint) as applied,
    cast(sum(coalesce(caused.clicked, 0)) as double) / count(*) as click_rate,
    cast(sum(coalesce(caused.applied, 0)) as double) / count(*) as apply_rate

from marts.exposures as exposures
left join caused on exposures.exposure_id = caused.exposure_id
group by exposures.exposure_date, exposures.exposure_kind
order by exposures.exposure_date, exposures.exposure_kind
