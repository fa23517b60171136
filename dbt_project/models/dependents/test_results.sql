select * from {{ source('landing', 'test_results') }}
