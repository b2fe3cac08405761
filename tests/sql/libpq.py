"""As much of libpq as these tests need, by ctypes: prepared texts with typed text parameters, the
way the programs use it."""
import ctypes
import ctypes.util
import json

_pq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
_pq.PQconnectdb.restype = ctypes.c_void_p
for _name, _restype, *_args in (
        ("PQstatus", ctypes.c_int, ctypes.c_void_p),
        ("PQerrorMessage", ctypes.c_char_p, ctypes.c_void_p),
        ("PQfinish", None, ctypes.c_void_p),
        ("PQexec", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p),
        ("PQexecParams", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int,
         ctypes.POINTER(ctypes.c_uint), ctypes.POINTER(ctypes.c_char_p), ctypes.c_void_p,
         ctypes.c_void_p, ctypes.c_int),
        ("PQresultStatus", ctypes.c_int, ctypes.c_void_p),
        ("PQresultErrorField", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int),
        ("PQresultErrorMessage", ctypes.c_char_p, ctypes.c_void_p),
        ("PQntuples", ctypes.c_int, ctypes.c_void_p),
        ("PQnfields", ctypes.c_int, ctypes.c_void_p),
        ("PQfname", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int),
        ("PQftype", ctypes.c_uint, ctypes.c_void_p, ctypes.c_int),
        ("PQgetisnull", ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int),
        ("PQgetvalue", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int),
        ("PQclear", None, ctypes.c_void_p)):
    getattr(_pq, _name).restype = _restype
    getattr(_pq, _name).argtypes = _args

_COMMAND_OK, _TUPLES_OK = 1, 2
_BOOL, _INT8, _INT2, _INT4, _FLOAT8, _JSON, _JSONB = 16, 20, 21, 23, 701, 114, 3802


class DatabaseError(Exception):
    def __init__(self, result):
        field = lambda code: (_pq.PQresultErrorField(result, ord(code)) or b"").decode()  # noqa: E731
        self.sqlstate, self.constraint = field("C"), field("n")
        super().__init__(_pq.PQresultErrorMessage(result).decode())


def _value(result, row, column):
    if _pq.PQgetisnull(result, row, column):
        return None
    text = _pq.PQgetvalue(result, row, column).decode()
    kind = _pq.PQftype(result, column)
    if kind in (_INT8, _INT2, _INT4):
        return int(text)
    if kind == _BOOL:
        return text == "t"
    if kind == _FLOAT8:
        return float(text)
    if kind in (_JSON, _JSONB):
        return json.loads(text)
    return text


def array(items):
    """A list as PostgreSQL writes arrays."""
    def one(item):
        if item is None:
            return "null"
        if isinstance(item, bool):
            return "t" if item else "f"
        text = str(item).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    return "{" + ",".join(map(one, items)) + "}"


def _text(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    if isinstance(value, (list, tuple)):
        return array(value).encode()
    if isinstance(value, dict):
        return json.dumps(value).encode()
    return str(value).encode()


class Connection:
    def __init__(self, conninfo):
        self._conn = _pq.PQconnectdb(conninfo.encode())
        if _pq.PQstatus(self._conn) != 0:
            raise RuntimeError(_pq.PQerrorMessage(self._conn).decode())

    def close(self):
        _pq.PQfinish(self._conn)
        self._conn = None

    def _rows(self, result):
        try:
            if _pq.PQresultStatus(result) not in (_COMMAND_OK, _TUPLES_OK):
                raise DatabaseError(result)
            names = [_pq.PQfname(result, i).decode() for i in range(_pq.PQnfields(result))]
            return [{name: _value(result, row, i) for i, name in enumerate(names)}
                    for row in range(_pq.PQntuples(result))]
        finally:
            _pq.PQclear(result)

    def execute(self, sql):
        """Any SQL without parameters; the rows of its last statement."""
        return self._rows(_pq.PQexec(self._conn, sql.encode()))

    def query(self, sql, oids=(), values=()):
        types = (ctypes.c_uint * max(len(oids), 1))(*oids)
        texts = (ctypes.c_char_p * max(len(values), 1))(*map(_text, values))
        return self._rows(_pq.PQexecParams(self._conn, sql.encode(), len(values), types, texts,
                                           None, None, 0))
