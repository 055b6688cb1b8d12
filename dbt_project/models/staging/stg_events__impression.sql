with

first_observed as (

    {{ first_observed('impression') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        user_id,
        job_id,

        ---------- text
        surface,

        ---------- numbers
        position,

        ---------- dates
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
