with

first_observed as (

    {{ first_observed('message_submitted') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        message_id,
        user_id,

        ---------- text
        provider,

        ---------- numbers
        attempt,

        ---------- dates
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
