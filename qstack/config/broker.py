"""An MQTT broker as configurations name it, for hosts and for the twin."""

from typing import Annotated

from qstack.config.value import BrokerUrl, InputFile, Section, about

__all__ = ["Broker"]


class Broker(Section):
    """A broker between hosts and their device, when these are on different machines."""

    url: Annotated[BrokerUrl, about("address of the broker; the port may be left out when it is 8883",
                                    "mqtts://broker.example:8883")]  # fmt: skip
    device: Annotated[str, about("name of the device in topics, the same at hosts and twin", "lab",
                                 pattern="^[A-Za-z0-9._-]{1,64}$")]  # fmt: skip
    ca: Annotated[InputFile, about("CA that the broker's certificate is of (PEM)", "ca.pem")]
    certificate: Annotated[
        InputFile | None,
        about("own certificate (PEM), whose common name the broker knows us by; a node's is that of [session] when it "
              "is left out", "node.pem"),
    ] = None  # fmt: skip
    key: Annotated[InputFile | None, about("private key of the certificate (PEM)", "node.key")] = None
