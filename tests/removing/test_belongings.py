from scaffold.removing import belongings

M = "src/app/modules/reviews/"


def found(**files: str) -> belongings.Belongings:
    named = {name.replace("__", "/").replace("_py", ".py"): text for name, text in files.items()}
    contents = {f"{M}{name}": text.encode() for name, text in named.items()}
    return belongings.find(
        "reviews", {**contents, "src/app/modules/other/tables.py": b'__tablename__ = "no"'}
    )


def test_tables_are_what_the_code_declares_and_what_migrations_leave():
    has = found(
        tables_py='class Row(Base):\n    __tablename__ = "reviews"\nlinks = Table("links", meta)\n',
        migrations__a_py="def upgrade():\n"
        '    op.create_table("gone")\n    op.create_table("old")\n    op.create_table("kept")\n'
        'def downgrade():\n    op.drop_table("kept")\n',
        migrations__b_py='def upgrade() -> None:\n    op.drop_table("gone")\n    op.rename_table("old", "young")\n',
        tests__test_x_py='class X(Base):\n    __tablename__ = "of_a_test"\n',
    )
    assert has.tables == ["kept", "links", "reviews", "young"]


def test_jobs_have_their_schedule_and_routes_their_path():
    has = found(
        jobs_py='@job(cron="0 3 * * *", retries=0)\nasync def audit(tx, a): ...\n'
        "@job()\nasync def prepare(tx, b): ...\n",
        routes_py='def routes():\n    @router.get("/votes/{id}")\n    async def get(id): ...\n',
    )
    assert has.jobs == {"reviews.audit": "0 3 * * *", "reviews.prepare": None}
    assert has.routes == ["GET /reviews/votes/{id}"]


def test_events_are_told_from_those_of_others_that_it_hears():
    has = found(
        __init___py="class Written(Event): ...\nclass Review: ...\n",
        wiring_py="from app.modules.identity import CustomerRegistered\n"
        "module = Module(build, subscriptions={CustomerRegistered: welcome})\n",
    )
    assert has.hears == ["identity.CustomerRegistered"]


def test_what_is_broken_in_it_does_not_keep_it():
    contents = {
        f"{M}{name}": b"{ [ <" for name in ("tables.py", "flags.json", "module.toml", "a.bin")
    }
    has = belongings.find("reviews", contents)
    assert (len(has.files), has.tables, has.flags, has.objectives) == (4, [], [], False)


def test_flags_objectives_and_extensions_are_read():
    contents = {
        f"{M}flags.json": b'{"flags": {"stars": {}, "half_stars": {}}}',
        f"{M}module.toml": b'owner = "@a/b"\ndepends_on = []\nextensions = ["citext"]\n[slo]\navailability = 0.9\n',
        f"{M}__init__.py": b"class Written(Event): ...\n",
    }
    has = belongings.find("reviews", contents)
    assert has.flags == ["half_stars", "stars"]
    assert (has.objectives, has.extensions, has.events) == (True, ["citext"], ["Written"])
