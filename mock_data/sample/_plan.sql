-- How the rows that are asked for are shared out, and who sits in which class. The arrays together, with the
-- elements of enrolledStudents and attendanceData, come to exactly getvariable('rows').

set variable term = date '2025-09-01';  -- a Monday

set variable students = greatest(6, least(30, getvariable('rows') // 8), getvariable('rows') * 25 // 1000);
set variable classes = greatest(2, getvariable('rows') // 160);
set variable exceptions = greatest(1, getvariable('rows') // 100);
set variable meetings = greatest(1, getvariable('rows') // 125);
set variable notes = greatest(1, getvariable('rows') // 40);

-- One row per lesson in the week of a class: two lessons of a class on one day are hours apart.
create table lessons as
with weeks as (
    select
        n as class,
        pick(
            [[1, 3], [2, 4], [1, 4], [3, 5], [2, 5], [1, 5], [1, 3, 5], [2, 2], [4, 4], [3], [5], [6], [0, 6]],
            n, 'week'
        ) as days,
        480 + 15 * number_from(n, 'hour', 0, 12) as opening,
        pick([45, 50, 60, 90], n, 'length') as length
    from range(1, getvariable('classes') + 1) as numbers(n)
),
placed as (
    select class, days[place] as day, opening + 150 * (place - 1) as start, length, place
    from weeks, range(1, len(days) + 1) as places(place)
)
select row_number() over (order by class, place) as number, * from placed;

-- One row per class: its size, the seats in the classes before it, and the day of its first lesson.
create table rosters as
with sizes as (
    select
        n as class,
        case
            when n > 2 and chance(n, 'new', 0.02) then 0  -- announced, nobody in it yet
            else least(
                getvariable('students'),
                greatest(
                    1,
                    getvariable('rows') * 13 // 100 // getvariable('classes') * number_from(n, 'size', 6, 14) // 10
                )
            )
        end as size
    from range(1, getvariable('classes') + 1) as numbers(n)
),
counted as (
    select class, size, (sum(size) over (order by class) - size)::bigint as before from sizes
)
select counted.*, getvariable('term') + (lessons.day + 6) % 7 as first_day
from counted
inner join lessons on counted.class = lessons.class and lessons.place = 1;

-- One row per student in a class. The students are shuffled once and dealt out in turn.
create table seats as
with shuffled as (
    select n as student, row_number() over (order by roll(n, 'shuffle'), n) - 1 as place
    from range(1, getvariable('students') + 1) as numbers(n)
),
dealt as (
    select class, seat, (before + seat) % getvariable('students') as place
    from rosters, range(size) as chairs(seat)
)
select dealt.class, dealt.seat, shuffled.student
from dealt
inner join shuffled on dealt.place = shuffled.place;

-- The classes take turns until the rows are spent: an occasion costs one row and one for each student in the class.
-- `taken` is how many of its students are still paid for.
create macro occasions(budget) as table
with turns as (
    select n + 1 as number, n % getvariable('classes') + 1 as class, (n // getvariable('classes'))::integer as round
    from range(getvariable('classes') * (1 + budget // (getvariable('classes') + getvariable('seats')))) as numbers(n)
),
spent as (
    select
        turns.*, rosters.first_day, rosters.size,
        (sum(1 + rosters.size) over (order by turns.number) - 1 - rosters.size)::bigint as before
    from turns
    inner join rosters on turns.class = rosters.class
)
select number, class, round, first_day, least(size, budget - before - 1) as taken from spent where before < budget;

set variable seats = (select count(*) from seats);
set variable rest = getvariable('rows') - getvariable('students') - getvariable('classes') - getvariable('seats')
    - getvariable('exceptions') - getvariable('meetings') - getvariable('notes') - (select count(*) from lessons);

create table registers as
select *, first_day + 7 * (round + number_from(class, 'register', 0, 12)) as date
from occasions(getvariable('rest') * 4 // 10);

create table exams as
select
    *,
    first_day + 7 * (4 * round + number_from(number, 'exam', 3, 6)) as date,
    pick([10, 20, 25, 30, 40, 48, 60, 75, 100], number, 'points') as points
from occasions(getvariable('rest') * 3 // 10);

create table tasks as
select
    *,
    first_day + 7 * (3 * round + number_from(number, 'task', 1, 3)) as date,
    number_from(number, 'days', 1, 14) as days,
    pick([5, 10, 12, 15, 20, 25], number, 'points') as points
from occasions(getvariable('rest') - getvariable('rest') * 4 // 10 - getvariable('rest') * 3 // 10);
