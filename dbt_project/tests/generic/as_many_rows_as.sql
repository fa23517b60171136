{% test as_many_rows_as(model, compare_to) %}

with

built as (

    select count(*) as rows from {{ model }}

),

expected as (

    select count(*) as rows from {{ compare_to }}

)

select
    built.rows as built_rows,
    expected.rows as expected_rows

from built
cross join expected

where built.rows != expected.rows

{% endtest %}
