{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ delete_as_of_range('label_mature_date') }}"
) }}

{{ examples_of('int_exposures_clicked') }}
