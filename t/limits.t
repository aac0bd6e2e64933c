use v5.36;

# One address writes as many answers as docs/directives.md lets it, and asks
# what it likes.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $docs = slurp("$ConsentGate::Test::ROOT/docs/directives.md");
my ($zone, $limit) = $docs =~ m{
    ^(map\ "\$request_method\ \$uri".*?^limit_req_zone[^\n]+\n)
    .*?^server\ \{\n(.*?)^\}
}msx or die 'not in the docs';

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->nginx(flow_site(http => $zone, server => $limit));

my $browser = $t->browser('DE');
my %status;

for my $n (1 .. 20) {
    $status{ answer($browser, what => $_)->status }++ for qw(accept withdraw);
    is $browser->get('/consent/state')->status, 200, 'the state' if $n % 5 == 0;
}

is_deeply [sort keys %status], [303, 429], 'some are too many';
cmp_ok $status{303}, '>=', 21, 'twenty at once and one are not';
is scalar(events($t->redis)), $status{303}, 'nothing of the others is written';
is $browser->post('/x', 'a=b')->status, 404, 'other forms are not counted';
is answer($t->browser('IS'))->status, 303, 'nor other addresses';

$t->done;
