{#- Generic test: the columns identify a row. With `date_column` it looks only at the range that was just built. -#}
{% test unique_grain(model, columns, date_column=none) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    {% if date_column is not none -%}
        where {{ in_as_of_range(date_column) }}
    {%- endif %}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
