with

{% if has_as_of_range() -%}

bounds as (

    select
        date '{{ var('start_date') }}' as start_date,
        date '{{ var('end_date') }}' as end_date

),

{%- else -%}

bounds as (

    select
        min(available_date) as start_date,
        max(available_date) as end_date

    from {{ ref('stg_events__user_snapshot') }}

),

{%- endif %}

spined as (

    {{ every_date('bounds', 'start_date', 'end_date', 'as_of_date') }}

)

-- depends_on: {{ ref('stg_events__user_snapshot') }}
select * from spined
