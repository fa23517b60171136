{#- dbt's own makes a table aside, renames it, and drops the old one after the commit, for tables that somebody reads.
    Nobody reads scratch: the old table is dropped, and the new one comes with its keys, in one statement. -#}
{% materialization table, adapter='postgres' %}

    {%- set target_relation = this.incorporate(type='table') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% call statement('main') -%}
        {#- first, because a key's index takes its name in the whole schema -#}
        drop table if exists {{ target_relation }} cascade;
        {{ get_create_table_as_sql(False, target_relation, sql) }}
        {{ add_keys() }}
    {%- endcall %}

    {% do create_indexes(target_relation) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({'relations': [target_relation]}) }}

{% endmaterialization %}
