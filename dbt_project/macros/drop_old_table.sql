{% macro drop_old_table() %}

    {# A key's index takes its name in the whole schema: the old table has to go before the new one comes. #}
    {% if execute and load_cached_relation(this) %}
        {% do adapter.drop_relation(load_cached_relation(this)) %}
    {% endif %}

{% endmacro %}
