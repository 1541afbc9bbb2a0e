"""The network between the application and Postgres fails."""

from tcp_proxy import TcpProxy


def test_a_request_passes_the_network(serve, proxy: TcpProxy) -> None:
    web = serve()
    assert web.client.get("/trouble/one").json() == 1
    assert proxy.connections > 0
