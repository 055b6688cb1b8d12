with

first_observed as (

    {{ first_observed('experiment_exposed') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        user_id,

        ---------- text
        experiment,
        arm,

        ---------- dates
        as_of_date,
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
