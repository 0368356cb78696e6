/* Made with openssl genpkey and openssl pkey -pubout; the private half was thrown away. */
#ifndef SKR_ANNOTATION_KEY_H
#define SKR_ANNOTATION_KEY_H

#define PUBLIC_KEY                                                                                 \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwiryc6mhZgkuYG3yuA23\n"                           \
    "luXkaZIVRelxa+syx5KhenvE11uuUvwsHBI2hGVlEPisw1uUVx2IzD8OIQ3VtnaW\n"                           \
    "h/tFzM5BSkmGnpT5q+y+q+mtA2XMp+Ku0JsDEOlbv7HRZlU3S4UZE/SewTqp6zUq\n"                           \
    "vbUmT24xyqbVLU6KwxhlzUkIe84HItM+IaQHRkHrIPqNB/B0ZBjgSy/fW1B4Dviv\n"                           \
    "1hp5Qkb2xO4wWNanjEKSp0aPgfQpxKYiiEsWAcoKVBhSlgDWf7PSpG4wDnOyyz6D\n"                           \
    "JzRoSCxMvdayFyWOwjSdQXaSGQUCSeG/05TPgPAN8LXxORmu15lDodTMYy6Opk5r\n"                           \
    "mQIDAQAB\n"                                                                                   \
    "-----END PUBLIC KEY-----\n"

#endif
