{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_as_of_range('label_mature_date') }}"
) }}

with

exposures as (

    select * from {{ ref('int_exposures_clicked') }}

),

user_features as (

    select * from {{ ref('user_features') }}

),

job_features as (

    select * from {{ ref('job_features') }}

),

final as (

    select
        exposures.*,
        user_features.* exclude (as_of_date, user_id),
        job_features.* exclude (as_of_date, job_id)

    from exposures
    inner join user_features
        on exposures.user_id = user_features.user_id
        and exposures.exposure_date = user_features.as_of_date
    inner join job_features
        on exposures.job_id = job_features.job_id
        and exposures.exposure_date = job_features.as_of_date

)

select * from final
