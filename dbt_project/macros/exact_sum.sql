{#- Sum of a column of doubles that does not depend on the order of rows: to a millionth, in decimals. -#}
{% macro exact_sum(column_name) -%}
    cast(sum(cast({{ column_name }} as decimal(18, 6))) as double)
{%- endmacro %}
