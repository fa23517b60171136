{% macro refuse_to_build_published() %}

    {% if execute and target.name == 'published' and flags.WHICH not in ('test', 'compile', 'generate') %}
        {% do exceptions.raise_compiler_error('dbt builds nothing in the published tables: `mock2pg migrate` does') %}
    {% endif %}

{% endmacro %}
