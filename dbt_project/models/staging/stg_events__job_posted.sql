with

first_observed as (

    {{ first_observed('job_posted') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        job_id,
        employer_id,

        ---------- text
        employer_name,
        title,
        occupation_code,
        occupation_group,
        shift,
        metro_code,

        ---------- numbers
        seniority,
        latitude,
        longitude,
        pay_usd_per_hour,
        openings,
        bid_usd_per_apply,
        text_embedding,

        ---------- dates
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at,
        expires_at

    from first_observed

)

select * from renamed
