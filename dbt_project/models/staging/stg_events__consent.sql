with

first_observed as (

    {{ first_observed('consent') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        user_id,

        ---------- text
        channel,
        source,

        ---------- booleans
        is_granted,

        ---------- dates
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
