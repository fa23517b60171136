{% macro postgres__get_assert_columns_equivalent(sql) %}

    {#- The first that dbt asks for when it makes a table of a contract. A column may be called `group` or `createdAt`:
        all that follows quotes it. -#}
    {%- for column in model['columns'].values() -%}
        {%- do column.update({'quote': true}) -%}
    {%- endfor -%}

    {#- One question instead of two, and no macro for each column. Where the answer is not plainly yes, dbt's own macro
        asks again: its errors are what people know. -#}
    {%- set typed = model['columns'].values() | selectattr('data_type') | list -%}
    {%- if typed and typed | length == model['columns'] | length and not config.get('sql_header') -%}
        {%- set found = [] -%}
        {%- for column in adapter.get_column_schema_from_query(columns_of_query_and_contract(sql)) -%}
            {%- do found.append((column.name, column.dtype)) -%}
        {%- endfor -%}
        {%- if found[:typed | length] == found[typed | length:] -%}
            {{ return('') }}
        {%- endif -%}
    {%- endif -%}

    {{ return(assert_columns_equivalent(sql)) }}

{% endmacro %}


{% macro columns_of_query_and_contract(sql) %}

    select * from (
        {{ sql }}
    ) as of_query, (
        select
        {% for column in model['columns'].values() -%}
            cast(null as {{ column['data_type'] }}) as {{ adapter.quote(column['name']) }}
            {{- ',' if not loop.last }}
        {% endfor -%}
    ) as of_contract
    where false
    limit 0

{% endmacro %}
