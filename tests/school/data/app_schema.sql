-- A classroom database as an application owns it: its own types, views, grants, triggers and tables of its own.
CREATE ROLE app_schema_reader;
CREATE TYPE public."Role" AS ENUM ('TEACHER', 'ADMIN');
CREATE TYPE public.attendance AS ENUM ('present', 'absent', 'late', 'excused');
CREATE TYPE public.test_type AS ENUM ('quiz', 'exam', 'assignment', 'project');
CREATE TYPE public.meeting_type AS ENUM ('virtual', 'in_person');
CREATE DOMAIN public.hex_color AS text CHECK (VALUE ~ '^#[0-9A-Fa-f]{6}$');

CREATE TABLE public.users (
    id text PRIMARY KEY, email varchar(254) NOT NULL UNIQUE, name text NOT NULL, role public."Role" NOT NULL,
    "lastLogin" timestamptz
);
INSERT INTO public.users VALUES ('admin-1', 'admin@app.example', 'Admin', 'ADMIN', '2026-01-01');

CREATE TABLE public.students (
    id varchar(64) PRIMARY KEY, name varchar(200) NOT NULL, email text NOT NULL, phone text NOT NULL, grade text NOT NULL,
    parent_contact text NOT NULL, enrollment_date text NOT NULL, "photoUrl" text,
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, name)) STORED,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 80);
CREATE INDEX students_search ON public.students USING gin (search);
CREATE INDEX students_by_grade ON public.students (grade, lower(name)) WHERE grade <> '';

CREATE TABLE public.classes (
    id text PRIMARY KEY, name text NOT NULL, subject text NOT NULL, description text NOT NULL DEFAULT '',
    room varchar(40) NOT NULL, capacity smallint NOT NULL CHECK (capacity > 0), created_date text NOT NULL,
    color public.hex_color NOT NULL, archived boolean NOT NULL DEFAULT false
);
CREATE TABLE public.class_enrollments (
    id uuid PRIMARY KEY, class_id text NOT NULL REFERENCES public.classes ON DELETE CASCADE,
    student_id varchar(64) NOT NULL REFERENCES public.students ON DELETE CASCADE,
    enrolled_by text NOT NULL DEFAULT 'import', UNIQUE (class_id, student_id)
);
CREATE TABLE public.schedules (
    id text PRIMARY KEY, class_id text NOT NULL REFERENCES public.classes ON DELETE CASCADE,
    day_of_week smallint NOT NULL CHECK (day_of_week BETWEEN 0 AND 6), start_time varchar(8) NOT NULL,
    end_time varchar(8) NOT NULL
);
CREATE TABLE public.schedule_exceptions (
    id text PRIMARY KEY, schedule_id text NOT NULL REFERENCES public.schedules ON DELETE CASCADE DEFERRABLE,
    date date NOT NULL, start_time text NOT NULL, end_time varchar(5) NOT NULL, cancelled text NOT NULL,
    created_date date NOT NULL
);
CREATE TABLE public.meetings (
    id text PRIMARY KEY, title text NOT NULL, description text NOT NULL, date date NOT NULL, start_time time NOT NULL,
    end_time time NOT NULL, participants text[] NOT NULL, participant_type text NOT NULL, location text NOT NULL,
    meeting_type public.meeting_type NOT NULL, status text NOT NULL, created_date date NOT NULL, notes text
);
CREATE TABLE public.attendance_records (
    id text PRIMARY KEY, class_id text NOT NULL REFERENCES public.classes ON DELETE CASCADE, date text NOT NULL,
    created_date text NOT NULL, updated_date text
);
CREATE TABLE public.attendance_entries (
    id text PRIMARY KEY, attendance_record_id text NOT NULL REFERENCES public.attendance_records ON DELETE CASCADE,
    student_id varchar(64) NOT NULL REFERENCES public.students ON DELETE CASCADE,
    status public.attendance NOT NULL DEFAULT 'present', notes text, UNIQUE (attendance_record_id, student_id)
);
CREATE TABLE public.class_notes (
    id text PRIMARY KEY, class_id text NOT NULL REFERENCES public.classes ON DELETE CASCADE, date date NOT NULL,
    content text NOT NULL, topics text[], homework text, objectives text, created_date date NOT NULL,
    updated_date date NOT NULL
);
CREATE TABLE public.tests (
    id text PRIMARY KEY, class_id text NOT NULL REFERENCES public.classes ON DELETE CASCADE, title text NOT NULL,
    description text NOT NULL, test_date date NOT NULL, test_time text, total_points numeric(6, 2) NOT NULL,
    test_type public.test_type NOT NULL, file_name text, file_url text, files jsonb, created_date date NOT NULL,
    updated_date date NOT NULL
);
CREATE TABLE public.test_results (
    id text PRIMARY KEY, test_id text NOT NULL REFERENCES public.tests ON DELETE CASCADE,
    student_id varchar(64) NOT NULL REFERENCES public.students ON DELETE CASCADE, score numeric NOT NULL,
    max_score bigint NOT NULL, percentage numeric NOT NULL, grade varchar(4) NOT NULL, feedback text,
    submitted_date text, graded_date text NOT NULL, submitted_files jsonb, created_date date NOT NULL,
    updated_date date NOT NULL, UNIQUE (test_id, student_id)
);
CREATE TABLE public.homework_assignments (
    id text PRIMARY KEY, class_id text NOT NULL REFERENCES public.classes ON DELETE CASCADE, title text NOT NULL,
    description text NOT NULL, assigned_date date NOT NULL, due_date date NOT NULL, total_points integer NOT NULL,
    instructions text, resources text[], created_date date NOT NULL, updated_date date NOT NULL
);
CREATE TABLE public.homework_submissions (
    id text PRIMARY KEY, assignment_id text NOT NULL REFERENCES public.homework_assignments ON DELETE CASCADE,
    student_id varchar(64) NOT NULL REFERENCES public.students ON DELETE CASCADE, submitted_date date, score integer,
    max_score integer NOT NULL, grade text, feedback text, status text NOT NULL, submission_notes text,
    graded_date date, created_date date NOT NULL, updated_date date NOT NULL, UNIQUE (assignment_id, student_id)
);

-- What the migration knows nothing of.
CREATE TABLE public.favourites (
    user_id text NOT NULL REFERENCES public.users, student_id varchar(64) NOT NULL REFERENCES public.students,
    PRIMARY KEY (user_id, student_id)
);
CREATE TABLE public.seats (
    enrollment_id uuid PRIMARY KEY REFERENCES public.class_enrollments, seat text NOT NULL
);
CREATE TABLE public.audit_log (
    id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), relation text NOT NULL, act text NOT NULL
);
CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.audit_log (relation, act) VALUES (tg_table_name, tg_op);
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON public.students
FOR EACH ROW EXECUTE FUNCTION public.audit();
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON public.students FOR EACH ROW EXECUTE FUNCTION public.touch();
CREATE VIEW public.class_sizes AS
SELECT c.id, c.name, count(e.id) AS students
FROM public.classes AS c LEFT JOIN public.class_enrollments AS e ON e.class_id = c.id
GROUP BY c.id;
CREATE MATERIALIZED VIEW public.averages AS
SELECT student_id, avg(percentage) AS percentage FROM public.test_results GROUP BY student_id;
CREATE UNIQUE INDEX ON public.averages (student_id);
GRANT SELECT ON public.class_sizes, public.students TO app_schema_reader;
GRANT UPDATE ("photoUrl") ON public.students TO app_schema_reader;
ALTER TABLE public.homework_submissions ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.homework_submissions FOR SELECT TO app_schema_reader USING (status = 'graded');
COMMENT ON TABLE public.students IS 'People: handle with care';
COMMENT ON COLUMN public.students.enrollment_date IS 'ISO date, as text';
CREATE PUBLICATION app_schema FOR TABLE public.students, public.classes;
