with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

activities as (

    select
        job_id,
        available_date,
        count(*) filter (where activity_kind = 'impression') as impressions,
        count(*) filter (where activity_kind = 'message') as messages,
        count(*) filter (where activity_kind = 'click') as clicks,
        count(*) filter (where activity_kind = 'apply') as applies

    from {{ ref('int_activities_stacked') }}
    where available_date > (select {{ days_after('min(as_of_date)', -7) }} from as_of_dates)
    group by job_id, available_date

),

windowed as (

    select
        as_of_dates.as_of_date,
        activities.job_id,
        sum(impressions) as job_impressions_7d,
        sum(clicks) as job_clicks_7d,
        sum(applies) as job_applies_7d,
        sum(messages) as job_messages_7d

    from as_of_dates
    inner join activities
        on activities.available_date <= as_of_dates.as_of_date
        and activities.available_date > {{ days_after('as_of_dates.as_of_date', -7) }}
    group by as_of_dates.as_of_date, activities.job_id

)

select * from windowed
