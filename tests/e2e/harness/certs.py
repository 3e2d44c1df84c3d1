"""Self-signed certificates, made with openssl(1) by the test that needs them."""
import subprocess


def make(folder, name="mx.example.test", days=2):
    """Writes NAME.pem and NAME.key into folder; returns both paths and the certificate's fingerprint."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-days", str(days), "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    return str(cert), str(key)
