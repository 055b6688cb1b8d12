with

source as not materialized (

    {{ read_events('experiment_exposed') }}

),

repeated as (

    {{ repeated_events() }}

),

first_observed as (

    select * from source
    anti join repeated using (filename, file_row_number)

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
