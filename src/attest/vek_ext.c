/*
 * Strict readers for a certificate's statements. Patch levels above 127 take two content bytes
 * (02 02 00 db): readers of one fixed byte see 0 there, or accept 0x01db for 0xdb.
 */
#include "attest/vek_ext.h"

#include "base/str.h"

#define OID_PRODUCT "1.3.6.1.4.1.3704.1.2"
#define OID_HWID    "1.3.6.1.4.1.3704.1.4"
#define OID_CSP_ID  "1.3.6.1.4.1.3704.1.5"

#define TAG_INTEGER    0x02
#define TAG_IA5_STRING 0x16

/* The content of one short TLV that fills the span. False for any other form. */
static bool get_content(struct span der, uint8_t tag, struct span *out)
{
    if (der.n < 3 || der.n > 2 + 0x7f || der.p[0] != tag || der.p[1] != der.n - 2)
        return false;
    *out = span_of(der.p + 2, der.n - 2);
    return true;
}

int vek_ext_parse_spl(struct span der, uint8_t *out, struct err *e)
{
    struct span v;

    if (!get_content(der, TAG_INTEGER, &v))
        return err_set(e, ERR_PARSE, "not one INTEGER");
    if ((v.p[0] & 0x80) != 0)
        return err_set(e, ERR_PARSE, "a negative number");
    if (v.n >= 2 && v.p[0] == 0 && (v.p[1] & 0x80) == 0)
        return err_set(e, ERR_PARSE, "a number with padding that DER forbids");
    if (v.n > 2 || (v.n == 2 && v.p[0] != 0))
        return err_set(e, ERR_PARSE, "a number above 255");
    *out = v.p[v.n - 1];
    return 0;
}

static int parse_product_name(const struct x509_cert *c, struct span *out, struct err *e)
{
    struct span ext;

    if (!x509_extension(c, OID_PRODUCT, &ext))
        return err_set(e, ERR_PARSE, "productName is missing or repeated");
    if (!get_content(ext, TAG_IA5_STRING, out))
        return err_set(e, ERR_PARSE, "productName is not one IA5String");
    return 0;
}

static int fail_unknown(struct span product_name, struct err *e)
{
    char quoted[32 + 16];

    str_quote(product_name, 32, quoted);
    return err_set(e, ERR_PARSE, "productName \"%s\" is unknown", quoted);
}

int vek_ext_parse(const struct x509_cert *c, struct vek_ext *out, struct err *e)
{
    struct vek_ext ext = { 0 };
    struct span name = { 0 }, csp_id = { 0 };

    if (parse_product_name(c, &name, e) != 0)
        return -1;
    ext.product = snp_product_by_name(name);
    if (ext.product == NULL)
        return fail_unknown(name, e);
    for (size_t i = 0; i < SNP_TCB_SIZE; i++)
        if (!x509_extension(c, ext.product->tcb[i].oid, &ext.spl[i]))
            return err_set(e, ERR_PARSE, "the %s SPL is missing or repeated",
                           ext.product->tcb[i].name);
    const bool has_hwid = x509_extension(c, OID_HWID, &ext.hwid);
    const bool has_csp_id = x509_extension(c, OID_CSP_ID, &csp_id);
    if (has_hwid == has_csp_id)
        return err_set(e, ERR_PARSE, "%s",
                       has_hwid ? "HWID and CSP_ID are both there" : "HWID is missing or repeated");
    ext.kind = has_hwid ? VEK_VCEK : VEK_VLEK;
    *out = ext;
    return 0;
}

int vek_ext_tcb(const struct vek_ext *ext, uint8_t out[static SNP_TCB_SIZE], struct err *e)
{
    uint8_t tcb[SNP_TCB_SIZE];

    for (size_t i = 0; i < SNP_TCB_SIZE; i++)
        if (vek_ext_parse_spl(ext->spl[i], &tcb[i], e) != 0)
            return err_wrap(e, "the %s SPL of the certificate", ext->product->tcb[i].name);
    for (size_t i = 0; i < SNP_TCB_SIZE; i++)
        out[i] = tcb[i];
    return 0;
}
