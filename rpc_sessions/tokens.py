"""The token of HTTP (RFC 9110, section 5.6.2): names of headers, of cookies and of extensions are one.

https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
"""

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # as a regular expression
