with

first_observed as (

    {{ first_observed('apply') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        user_id,
        job_id,
        exposure_id,

        ---------- text
        source,

        ---------- dates
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
