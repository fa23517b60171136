{#- dbt's own data tests, for a column called `createdAt` or `order` as for any other. #}
{% macro postgres__test_unique(model, column_name) %}
    {{ default__test_unique(model, quoted_column(column_name)) }}
{% endmacro %}


{% macro postgres__test_not_null(model, column_name) %}
    {{ default__test_not_null(model, quoted_column(column_name)) }}
{% endmacro %}


{% macro postgres__test_accepted_values(model, column_name, values, quote=True) %}
    {{ default__test_accepted_values(model, quoted_column(column_name), values, quote) }}
{% endmacro %}


{% macro postgres__test_relationships(model, column_name, to, field) %}
    {{ default__test_relationships(model, quoted_column(column_name), to, quoted_column(field)) }}
{% endmacro %}


{% macro quoted_column(text) -%}

    {#- a test may also be given an expression, or a name in quotes -#}
    {{ return(adapter.quote(text) if modules.re.fullmatch('[A-Za-z_]\\w*', text) else text) }}

{%- endmacro %}
