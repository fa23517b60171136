{% macro postgres__get_assert_columns_equivalent(sql) %}

    {#- The first that dbt asks for when it makes a table of a contract. A column may be called `group`: all that
        follows quotes it. A name with capitals is left to PostgreSQL, as dbt leaves it. -#}
    {%- for column in model['columns'].values() if column['name'] == column['name'] | lower -%}
        {%- do column.update({'quote': true}) -%}
    {%- endfor -%}

    {{ return(assert_columns_equivalent(sql)) }}

{% endmacro %}
