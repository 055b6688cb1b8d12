with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

postings as (

    select * from {{ ref('stg_events__job_posted') }}

),

closings as (

    select * from {{ ref('stg_events__job_closed') }}

),

latest_posting_of_day as (

    {{ first_of_each('postings', 'job_id, available_date', is_last=true) }}

),

versions as (

    select
        *,
        lead(available_date) over (partition by job_id order by available_date) as next_available_date

    from latest_posting_of_day

),

visible as (

    select
        as_of_dates.as_of_date,
        versions.*

    from as_of_dates
    inner join versions
        on versions.available_date <= as_of_dates.as_of_date
        and coalesce(versions.next_available_date > as_of_dates.as_of_date, true)
    where versions.expires_at > {{ midnight_of('as_of_dates.as_of_date') }}

),

listed as (

    select visible.*
    from visible
    where not exists (
        select 1 from closings
        where closings.job_id = visible.job_id
        and closings.available_date >= visible.available_date
        and closings.available_date <= visible.as_of_date
    )

)

select * from listed
