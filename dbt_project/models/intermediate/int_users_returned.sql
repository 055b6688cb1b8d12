with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

activities as (

    select distinct user_id, activity_date, available_date
    from {{ ref('int_activities_stacked') }}
    where activity_kind <> 'message'
    and activity_date >= (select {{ days_after('min(as_of_date)', -var('absence_days') - 1) }} from as_of_dates)

),

returned as (

    select distinct
        as_of_dates.as_of_date as label_mature_date,
        activities.user_id

    from as_of_dates
    inner join activities
        on activities.activity_date >= {{ days_after('as_of_dates.as_of_date', -var('absence_days') - 1) }}
        and activities.activity_date < {{ days_after('as_of_dates.as_of_date', -1) }}
        and activities.available_date <= as_of_dates.as_of_date

)

select * from returned
