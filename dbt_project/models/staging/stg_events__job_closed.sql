with

first_observed as (

    {{ first_observed('job_closed') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        job_id,

        ---------- text
        reason,

        ---------- dates
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
